//! Link settings of the extension library. Knows nothing of what the library holds.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The installation script is read out of the library's `.pgrxsc` section. Nothing refers to
    // the entries there, so a linker that collects sections would drop them.
    println!("cargo:rustc-link-arg-cdylib=-Wl,--no-gc-sections");
}
