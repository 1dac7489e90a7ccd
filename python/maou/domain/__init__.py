"""Record types and the files that hold them; no services, no clouds."""
