"""What a photo set is: folders, EXIF, camera groups, decoding."""
