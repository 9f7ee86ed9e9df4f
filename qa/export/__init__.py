"""Papers and answers written for other programs."""
