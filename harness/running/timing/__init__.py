"""Wall-clock claims, measured alone in a process: never from stacked training, which shares its time."""
