"""Domain to versioned JSON documents and back: for records, messages, files and people's programs."""
