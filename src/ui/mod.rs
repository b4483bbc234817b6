//! What people see: facts and output lines, plain or as JSON.
