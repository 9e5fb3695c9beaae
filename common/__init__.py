"""What two programs need: labels, exposition, durations, clock, config decoding, errors, serving, logging."""
