"""What may enter: rules with severities, quarantine, and the data report."""
