// Where a fragment of the canvas lies in an image; shared by the passes. Written by render/uniforms.rs.

struct View {
    // Image pixels per physical pixel to the right, and downwards.
    right: vec2<f32>,
    down: vec2<f32>,
    // The canvas' top-left corner in the texture's image pixels is base + offset: split, as f32 cannot hold both finely enough.
    offset: vec2<f32>,
    base: vec2<i32>,
    // The texture's extent in image pixels.
    size: vec2<i32>,
    // The mip level to sample, and how far towards the next one.
    level: i32,
    blend: f32,
    opacity: f32,
    // The texture's view begins with this mip level.
    finest: i32,
}

@group(0) @binding(0) var<uniform> view: View;

// Relative to `base`.
fn image_from_fragment(position: vec4<f32>) -> vec2<f32> {
    return view.offset + position.x * view.right + position.y * view.down;
}
