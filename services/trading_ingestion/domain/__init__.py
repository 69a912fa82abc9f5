"""The policy of ingestion: what is due, what is good, what a file must look like."""
