"""What is drawn of an answered picture, for whichever source answered it."""
