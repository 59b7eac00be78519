"""The workspace over HTTP: one module for each noun; what is asked is checked here, and decided below."""
