"""What is worth telling, in which words, and to whom."""
