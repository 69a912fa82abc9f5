"""What analytics computes, without looking anything up."""
