"""Where a photograph was taken, from a finished map: retrieval, matching to 3D points, absolute pose."""
