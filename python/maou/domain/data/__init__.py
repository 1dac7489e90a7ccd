"""Record schemas (`schema`) and Arrow IPC files of records (`rust_io`)."""
