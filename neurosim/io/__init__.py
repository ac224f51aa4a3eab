"""Between files and values: reading checks everything and reports every problem, writing is atomic. h5py lives here alone."""
