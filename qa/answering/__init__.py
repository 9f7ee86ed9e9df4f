"""Ranked papers to an answer: judge, read on, write, check, assemble."""
