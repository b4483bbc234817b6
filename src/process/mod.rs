//! Programs: started through a guard, stopped as a group, their output read without end.
