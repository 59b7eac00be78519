"""How pipelines are written in Python: decorators and handles that turn functions into drafts for the compiler."""
