"""What a user can say: a workspace and its nouns, in Python. One file for each noun."""
