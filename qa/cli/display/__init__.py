"""What the commands print: answers, annotations, rounds and progress."""
