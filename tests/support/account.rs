//! Accounts with numbers that nobody proves (`fake`, in the profile `dev`), and their connections, over plain MQTT.

use client::{Account, Client, Enrolment, Events, Options, Registered, Url};

use super::Server;

pub(crate) fn url(server: &Server) -> Url {
    format!("mqtt://{}", server.mqtt()).parse().expect("an address")
}

/// A new account's device `d1`, with a certificate if it asks for one.
pub(crate) async fn register(server: &Server, phone: &str, csr: Option<&[u8]>) -> Account {
    let (client, _events) = Client::connect(Options::new(url(server), format!("reg_{phone}"))).await.expect("in");
    let Ok(Registered::Done(account)) = client.register(phone, "d1", Enrolment::Fake, csr).await else {
        panic!("not registered")
    };
    client.close().await;
    *account
}

/// A connection that ends for good when it is cut.
pub(crate) async fn connect(server: &Server, account: &Account) -> (Client, Events) {
    let mut options = Options::new(url(server), &account.client_id);
    (options.token, options.reconnect) = (Some(account.token.clone()), false);
    Client::connect(options).await.expect("in")
}
