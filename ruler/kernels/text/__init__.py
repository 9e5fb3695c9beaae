"""What is read and written: tokens of queries, forms, numbers, labels, answers."""
