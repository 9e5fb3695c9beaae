"""dispatch: alerts in, notifications out. Routes and groups them, and says which are silenced; delivers nothing."""
