"""What leads does when others speak: so far only what every service does, keep its members."""
