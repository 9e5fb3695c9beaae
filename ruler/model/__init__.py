"""The vocabulary of the street: what travels between its stages, frozen. Imports no stage."""
