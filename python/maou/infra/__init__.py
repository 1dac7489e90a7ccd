"""What touches the outside: cloud storage and measurements."""
