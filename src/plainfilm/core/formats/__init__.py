"""One file a format: the bytes of a file in, a Raster or a DicomFilm out, BadImage for everything else.

    recognise.py  which format a file is of
    raster.py     what a decoded picture is, before it is grey
    png.py        jpeg.py     bmp.py     webp.py     tiff.py     lzw.py     exif.py
    dicom.py      the header of a CR or DX film
    codecs.py     its pixels, by transfer syntax
    deep_jpeg.py  the JPEGs among them that OpenCV does not decode: lossless, and of more than 8 bits
    display.py    from stored values to the grey levels that a reading screen would show

Decoders trust headers: they set aside what a lying one asks for, fill what is missing with grey, and some end the
process. So every file is first walked from its first byte to its last: its size and depth read, its checksums and
lengths compared with the bytes that are there. Only then is it decoded, by a decoder that is left few ways to fail.

BadImage is raised without a path here; `plainfilm.core.image.read_film`, the only caller, adds it.
"""
