"""What differs between two machines, and what runs: the environment and the files."""
