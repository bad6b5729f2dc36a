"""Everything that a bundle does on one backend, measured within a time: `bench --report`."""
