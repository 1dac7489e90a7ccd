"""Generated records, and the I/O benchmark that uses them."""
