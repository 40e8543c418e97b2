//! A way to a server that can be cut: nothing comes through any more, and nobody is told, as when a cable is pulled.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// See the module. All connections end when it is dropped.
pub struct Gate {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Gate {
    /// An open one in front of this address.
    pub async fn to(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (is_cut, cut) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                all.spawn(pass(client, server, cut.clone()));
            }
        });
        Ok(Self { address, is_cut, task })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on bytes vanish, and new connections lead nowhere.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// New connections lead to the server again. Those of before do not.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, mut cut: watch::Receiver<bool>) {
    if !*cut.borrow()
        && let Ok(mut far) = TcpStream::connect(server).await
    {
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut far) => return,
            _ = cut.wait_for(|cut| *cut) => {}
        }
        // Both sides keep what they have of the connection.
        let _kept = far;
        return std::future::pending().await;
    }
    let _kept = client;
    std::future::pending().await
}
