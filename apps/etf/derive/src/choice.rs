//! `derive(Choice)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, Ident, Type, Variant};

pub(crate) fn derive(input: DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let label = name.unraw().to_string();
    let (idents, types): (Vec<_>, Vec<_>) = variants(&input)?.into_iter().unzip();
    Ok(quote! {
        impl ::etf::Fits for #name {
            fn fits(r: &::etf::Reader<'_>) -> bool {
                #(<#types as ::etf::Fits>::fits(r))||*
            }
        }
        impl ::etf::Decode for #name {
            fn decode(r: &mut ::etf::Reader<'_>) -> ::core::result::Result<Self, ::etf::Error> {
                #(if <#types as ::etf::Fits>::fits(r) {
                    return <#types as ::etf::Decode>::decode(r).map(Self::#idents);
                })*
                ::core::result::Result::Err(r.expected(#label))
            }
        }
        impl ::etf::Encode for #name {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                match self { #(Self::#idents(value) => ::etf::Encode::encode(value, out),)* }
            }
            fn code(&self) -> ::core::option::Option<u8> {
                match self { #(Self::#idents(value) => ::etf::Encode::code(value),)* }
            }
        }
    })
}

fn variants(input: &DeriveInput) -> syn::Result<Vec<(&Ident, &Type)>> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "Choice is derived for enums"));
    };
    let wrong = |variant| syn::Error::new_spanned(variant, "a variant of a Choice has one field, without a name");
    let named = |variant| match one_field(variant) {
        Some(ty) => Ok((&variant.ident, ty)),
        None => Err(wrong(variant)),
    };
    data.variants.iter().map(named).collect()
}

fn one_field(variant: &Variant) -> Option<&Type> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| &field.ty),
        Fields::Unnamed(_) | Fields::Named(_) | Fields::Unit => None,
    }
}
