"""`sam3-ros look`: the live picture in a browser, to type and to click."""
