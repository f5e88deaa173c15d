//! `derive(Record)`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitByteStr, LitInt, LitStr, Path, Token};

pub(crate) fn derive(input: DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let options = Options::of(&input.attrs)?;
    let atom = options.atom.unwrap_or_else(|| LitStr::new(&name.unraw().to_string(), name.span()));
    let fields = fields(&input)?;
    let names: Vec<String> = fields.iter().map(|field| field.unraw().to_string()).collect();
    let arity = fields.len() + 1;
    let (also, paths): (Vec<_>, Vec<_>) = options.also.iter().map(|also| (&also.arity, &also.path)).unzip();
    let head = head(&atom, arity)?;
    let (impls, types, wheres) = input.generics.split_for_impl();
    Ok(quote! {
        impl #impls ::etf::Shape for #name #types #wheres {
            const ATOM: &'static str = #atom;
            const FIELDS: &'static [&'static str] = &[#(#names),*];
        }
        impl #impls ::etf::Fits for #name #types #wheres {
            fn fits(r: &::etf::Reader<'_>) -> bool {
                ::core::matches!(r.arity_of(#atom), ::core::option::Option::Some(#arity #(| #also)*))
            }
        }
        impl #impls ::etf::Decode for #name #types #wheres {
            fn decode(r: &mut ::etf::Reader<'_>) -> ::core::result::Result<Self, ::etf::Error> {
                match r.record(#atom)? {
                    #arity => ::core::result::Result::Ok(Self { #(#fields: r.field(#atom, #names)?),* }),
                    #(#also => #paths(r),)*
                    arity => ::core::result::Result::Err(r.wrong_arity(#atom, arity)),
                }
            }
        }
        impl #impls ::etf::Encode for #name #types #wheres {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                out.extend_from_slice(#head);
                #(::etf::Encode::encode(&self.#fields, out);)*
            }
        }
    })
}

fn fields(input: &DeriveInput) -> syn::Result<Vec<&Ident>> {
    let wrong = || syn::Error::new_spanned(&input.ident, "Record is derived for structs with named fields");
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Ok(named.named.iter().filter_map(|field| field.ident.as_ref()).collect()),
            Fields::Unnamed(_) | Fields::Unit => Err(wrong()),
        },
        Data::Enum(_) | Data::Union(_) => Err(wrong()),
    }
}

/// Tuple head and tag atom as they are written: SMALL_TUPLE_EXT (104) and SMALL_ATOM_UTF8_EXT (119).
fn head(atom: &LitStr, arity: usize) -> syn::Result<LitByteStr> {
    let arity = u8::try_from(arity).map_err(|_| syn::Error::new(atom.span(), "a record has at most 254 fields"))?;
    Ok(LitByteStr::new(&[&[104, arity], atom_bytes(atom)?.as_slice()].concat(), Span::call_site()))
}

/// An atom as it is written.
pub(crate) fn atom_bytes(atom: &LitStr) -> syn::Result<Vec<u8>> {
    let text = atom.value();
    let length = u8::try_from(text.len()).map_err(|_| syn::Error::new(atom.span(), "an atom of at most 255 bytes"))?;
    Ok([&[119, length], text.as_bytes()].concat())
}

#[derive(Default)]
struct Options {
    atom: Option<LitStr>,
    also: Vec<Also>,
}

impl Options {
    fn of(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut all = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("record")) {
            for part in attribute.parse_args_with(Punctuated::<Part, Token![,]>::parse_terminated)? {
                match part {
                    Part::Atom(atom) => all.atom = Some(atom),
                    Part::Also(also) => all.also.extend(also),
                }
            }
        }
        Ok(all)
    }
}

enum Part {
    Atom(LitStr),
    Also(Punctuated<Also, Token![,]>),
}

impl Parse for Part {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self::Atom);
        }
        let word: Ident = input.parse()?;
        if word != "also" {
            return Err(syn::Error::new(word.span(), "an atom's text or also(ARITY = \"FUNCTION\")"));
        }
        let content;
        syn::parenthesized!(content in input);
        Punctuated::parse_terminated(&content).map(Self::Also)
    }
}

/// An arity that is only read, and the function that reads it.
struct Also {
    arity: LitInt,
    path: Path,
}

impl Parse for Also {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let arity = input.parse()?;
        input.parse::<Token![=]>()?;
        let path = match input.peek(LitStr) {
            true => input.parse::<LitStr>()?.parse()?,
            false => input.parse()?,
        };
        Ok(Self { arity, path })
    }
}
