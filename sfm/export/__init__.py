"""Maps and features in the formats of other tools."""
