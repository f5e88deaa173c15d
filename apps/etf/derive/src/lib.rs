//! `derive(Record)`, `derive(AtomEnum)` and `derive(Choice)` for the crate `etf`, which re-exports them.

mod atoms;
mod choice;
mod record;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// A struct with named fields as a tagged tuple: `Decode`, `Encode`, `Fits` and `Shape`.
///
/// `#[record("Name")]` gives the tag atom (default: the struct's name). `#[record(also(7 = "Desc::from_v1"))]` adds
/// arities that are only read: the function, `fn(&mut Reader<'_>) -> Result<Self, Error>`, is called when the tuple's
/// head and tag atom were read, and reads the other elements.
#[proc_macro_derive(Record, attributes(record))]
pub fn record(input: TokenStream) -> TokenStream {
    finish(record::derive(parse_macro_input!(input as DeriveInput)))
}

/// An enum without fields as a closed set of atoms: `Decode`, `Encode`, `Fits` and `Atoms`.
///
/// A variant's text is its name in snake_case, or given: `#[atom("get", "list")]` writes the first and reads all.
#[proc_macro_derive(AtomEnum, attributes(atom))]
pub fn atom_enum(input: TokenStream) -> TokenStream {
    finish(atoms::derive(parse_macro_input!(input as DeriveInput)))
}

/// An enum of variants with one field each as an untagged union: `Decode`, `Encode` and `Fits`. The first variant whose
/// type fits the next term is read.
#[proc_macro_derive(Choice)]
pub fn choice(input: TokenStream) -> TokenStream {
    finish(choice::derive(parse_macro_input!(input as DeriveInput)))
}

fn finish(output: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    output.unwrap_or_else(syn::Error::into_compile_error).into()
}
