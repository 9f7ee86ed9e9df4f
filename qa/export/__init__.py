"""Papers written for other programs: reference managers, spreadsheets and documents."""
