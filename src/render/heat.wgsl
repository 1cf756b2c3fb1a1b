// Ms on the grid of box edges → colour by table. Follows view.wgsl.

// Cell numbers by image column and by row, 256 to a line.
@group(1) @binding(0) var columns: texture_2d<u32>;
@group(1) @binding(1) var rows: texture_2d<u32>;
// Ms × 255 per cell.
@group(1) @binding(2) var cells: texture_2d<u32>;
@group(1) @binding(3) var colors: texture_2d<f32>;

@fragment
fn paint(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let p = clamp(vec2<i32>(floor(image_from_fragment(position))) + view.base, vec2<i32>(0), view.size - 1);
    let column = textureLoad(columns, vec2<i32>(p.x & 255, p.x >> 8u), 0).r;
    let row = textureLoad(rows, vec2<i32>(p.y & 255, p.y >> 8u), 0).r;
    let ms = textureLoad(cells, vec2<u32>(column, row), 0).r;
    let color = textureLoad(colors, vec2<u32>(ms, 0u), 0);
    let alpha = color.a * view.opacity;
    return vec4<f32>(color.rgb * alpha, alpha);
}
