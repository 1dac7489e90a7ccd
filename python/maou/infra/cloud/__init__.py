"""Files in object stores: ranged reads, atomic writes, errors that say what to mend."""
