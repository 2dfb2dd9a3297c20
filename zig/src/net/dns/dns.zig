//! The door of dns: what a forwarder needs of the protocol. Nothing here reads a file or a socket.
const message = @import("message.zig");
const reply = @import("reply.zig");
const servers = @import("servers.zig");

pub const Address = message.Address;
pub const Question = message.Question;
pub const Rcode = message.Rcode;
pub const Type = message.Type;
pub const name_text_bytes_max = message.name_text_bytes_max;
pub const udp_bytes_max = message.udp_bytes_max;
pub const parse = message.parse;
pub const parseQuestion = message.parseQuestion;
pub const answer = message.answer;
pub const answerName = message.answerName;
pub const addressOf = message.addressOf;
pub const refuse = message.refuse;

pub const Record = reply.Record;
pub const answers = reply.answers;
pub const records = reply.records;

pub const Server = servers.Server;
pub const Servers = servers.Servers;
pub const parseAddress = servers.parseAddress;

test {
    _ = message;
    _ = reply;
    _ = servers;
}
