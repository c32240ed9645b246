"""The library: four subjects to take to work, the Events API that they cure, and the lab that measures it."""
