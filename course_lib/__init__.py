"""Four packages to take to work, the Events API that uses them, and the lab that measures it."""
