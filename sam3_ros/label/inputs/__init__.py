"""Which sources are meant, and which images of them are labelled in which chunk."""
