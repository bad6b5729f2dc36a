"""The limits that a time is compared with: counted arithmetic, peak, memory bandwidth."""
