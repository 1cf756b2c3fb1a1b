//! Background threads: Job in, Update out.
