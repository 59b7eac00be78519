"""The command line: translates words to calls and records to text. One module for each noun."""
