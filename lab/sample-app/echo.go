package main

import (
	"io"
	"log"
	"net"
)

func echoTCP(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			if _, err := io.Copy(connection, connection); err != nil {
				log.Printf("echo to %s: %v", connection.RemoteAddr(), err)
			}
		}()
	}
}

func echoUDP(address string) error {
	connection, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	buffer := make([]byte, 65536)
	for {
		size, from, err := connection.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := connection.WriteTo(buffer[:size], from); err != nil {
			log.Printf("echo to %s: %v", from, err)
		}
	}
}
