/**
 * How the brokers of `moleculer.ts` find each other, and how much they take at once.
 *
 * @type {NonNullable<import("moleculer").BrokerOptions["transporter"]>}
 */
export const transporter = {
  type: "TCP",
  options: {
    udpDiscovery: true,
    udpPort: 14445,
    useHostname: false,
    maxPacketSize: 64 << 20
  }
}
