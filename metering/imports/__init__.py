"""Usage from files: a mapping, a resumable job over parts of the file, and the rejects."""
