// How the model sees a picture: the grid of tiles, by the rule of the published preprocessing (Engine/Images/TileCanvas.cs, to
// whose numbers a test compares this), and pictures as files.

const types = ['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/bmp'];

/** The grid { rows, columns, width, height } for a picture; width and height are the picture's in the grid, in pixels. */
export function chooseGrid(width, height, { tile, max_tiles: most, enlarge }) {
  let best = null;
  for (let rows = 1; rows <= most; rows++) {
    for (let columns = 1; columns * rows <= most; columns++) {
      // Single precision is part of the rule: other roundings pick other grids.
      const scale = Math.min(Math.fround(Math.fround(tile * columns) / Math.fround(width)), Math.fround(Math.fround(tile * rows) / Math.fround(height)));
      if (!best || (scale === best.scale ? rows * columns < best.rows * best.columns : isBetter(scale, best.scale, enlarge))) {
        best = { rows, columns, scale };
      }
    }
  }
  const { rows, columns } = best;
  return { rows, columns, ...fit(width, height, tile * columns, tile * rows, enlarge ? Infinity : tile) };
}

function isBetter(scale, best, enlarge) {
  return enlarge || best < 1 ? scale > best : scale >= 1 && scale < best;
}

function fit(width, height, canvasWidth, canvasHeight, enlargeTo) {
  const targetWidth = Math.min(Math.max(width, enlargeTo), canvasWidth);
  const targetHeight = Math.min(Math.max(height, enlargeTo), canvasHeight);
  const byWidth = targetWidth / width;
  const byHeight = targetHeight / height;
  return byWidth < byHeight
    ? { width: targetWidth, height: Math.max(1, Math.min(Math.floor(height * byWidth), targetHeight)) }
    : { width: Math.max(1, Math.min(Math.floor(width * byHeight), targetWidth)), height: targetHeight };
}

/** The grid in words. */
export function describeGrid({ rows, columns }) {
  return rows * columns === 1 ? '1 tile' : `${rows} × ${columns} tiles and the whole`;
}

/** A file as a picture { name, url, width, height }, upright. Throws an Error for people if it is none. */
export async function readPicture(file) {
  if (!types.includes(file.type)) {
    throw new Error(`${file.name} is not a picture that the server takes (PNG, JPEG, WebP, GIF or BMP).`);
  }
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new Error(`${file.name} is damaged, or not the picture that its name says.`);
  }
  return { name: file.name, url, width: image.naturalWidth, height: image.naturalHeight };
}
