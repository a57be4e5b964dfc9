"""Writes images as people have them, and what Pillow makes of each: FOLDER/NAME, FOLDER/NAME.rgb with its pixels, and
FOLDER/NAME.part.rgb with those of a part, resized; or nothing if it refuses the image."""

import io
import pathlib
import sys

import numpy
from PIL import Image

folder = pathlib.Path(sys.argv[1])
rows, columns = numpy.mgrid[0:40, 0:56]
colours = numpy.stack([rows * 6, columns * 4, (rows + columns) * 2], 2).astype("uint8")
rgb = Image.fromarray(colours)


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


images = {}
for ending, format, options in [
    ("jpg", "JPEG", {"quality": 95}),
    ("progressive.jpg", "JPEG", {"quality": 95, "progressive": True}),
    ("png", "PNG", {}),
    ("webp", "WEBP", {"lossless": True}),
    ("lossy.webp", "WEBP", {"quality": 95}),
    ("bmp", "BMP", {}),
    ("tiff", "TIFF", {}),
    ("lzw.tiff", "TIFF", {"compression": "tiff_lzw"}),
    ("ppm", "PPM", {}),
]:
    images["rgb." + ending] = encoded(rgb, format, **options)
images["grey.jpg"] = encoded(rgb.convert("L"), "JPEG", quality=95)
images["grey.png"] = encoded(rgb.convert("L"), "PNG")
images["bits.png"] = encoded(rgb.convert("1"), "PNG")
images["cmyk.jpg"] = encoded(rgb.convert("CMYK"), "JPEG", quality=95)
images["rotated.jpg"] = encoded(rgb, "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
palette = rgb.quantize(16)
images["palette.png"] = encoded(palette, "PNG")
images["palette_alpha.png"] = encoded(palette, "PNG", transparency=3)
images["palette.gif"] = encoded(palette, "GIF")
images["frames.gif"] = encoded(palette, "GIF", save_all=True, append_images=[palette.transpose(0)])
images["frames.webp"] = encoded(rgb, "WEBP", lossless=True, save_all=True, append_images=[rgb.transpose(0)])
images["palette.bmp"] = encoded(palette, "BMP")
alpha = rgb.copy()
alpha.putalpha(Image.fromarray(colours[:, :, 0]))
images["alpha.png"] = encoded(alpha, "PNG")
images["alpha.webp"] = encoded(alpha, "WEBP", lossless=True, exact=True)
images["content.png"] = images["rgb.jpg"]
images["after.jpg"] = images["rgb.jpg"] + b"more"
# Cut off: what Pillow refuses would end the training of a script.
for name in ["rgb.jpg", "rgb.progressive.jpg", "cmyk.jpg", "rgb.png", "rgb.webp", "rgb.bmp", "rgb.tiff", "rgb.ppm", "palette.gif"]:
    whole = images[name]
    for kept in [len(whole) - 40, len(whole) * 9 // 10, len(whole) // 2, 30, 0]:
        images[f"cut_{kept}_{name}"] = whole[:kept]
images["zeros.jpg"] = images["rgb.jpg"][:-400] + bytes(400)

for name, content in images.items():
    (folder / name).write_bytes(content)
    try:
        with Image.open(folder / name) as image:
            pixels = image.convert("RGB")
    except Exception:
        continue
    (folder / f"{name}.rgb").write_bytes(pixels.tobytes())
    part = pixels.crop((3, 5, 43, 35)).resize((24, 24), Image.Resampling.BILINEAR)
    (folder / f"{name}.part.rgb").write_bytes(part.tobytes())
